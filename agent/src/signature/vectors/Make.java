// Makes the signed files of this folder with the JDK's own XML signatures: an implementation that shares nothing with ours.
//
//   sh make.sh      (needs openssl and a JDK of 17 or later; the keys are thrown away)
//
// Everything in them is invented. Certificates are valid from 2026-01-01 to 2027-01-01 unless their name says otherwise.

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.util.*;
import javax.xml.crypto.*;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.*;
import javax.xml.crypto.dsig.keyinfo.*;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.*;
import org.w3c.dom.*;

public class Make {
    static final XMLSignatureFactory F = XMLSignatureFactory.getInstance("DOM");
    static final String RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    static final String RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
    static final String EXC = CanonicalizationMethod.EXCLUSIVE;
    static final String INC = CanonicalizationMethod.INCLUSIVE;
    static Path in, out;

    static byte[] table(String visit) {
        String xml = "<?xml version=\"1.0\" encoding=\"utf-8\"?><TONG_HOP><MA_LK>" + visit
            + "</MA_LK><HO_TEN>Nguyễn Văn Ví Dụ</HO_TEN></TONG_HOP>";
        return Base64.getEncoder().encode(xml.getBytes(StandardCharsets.UTF_8));
    }

    static String hoso(String visit, String attributes) {
        return "<HOSO" + attributes + ">\n<FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>"
            + new String(table(visit), StandardCharsets.US_ASCII) + "</NOIDUNGFILE></FILEHOSO>\n</HOSO>";
    }

    static String claim(String root, String unit, String info, String records) {
        return "<GIAMDINHHS" + root + ">\n  <THONGTINDONVI" + unit + "><MACSKCB>79999</MACSKCB></THONGTINDONVI>\n"
            + "  <THONGTINHOSO" + info + "><NGAYLAP>20261001</NGAYLAP><SOLUONGHOSO>1</SOLUONGHOSO><DANHSACHHOSO>" + records
            + "</DANHSACHHOSO></THONGTINHOSO>\n  <CHUKYDONVI></CHUKYDONVI>\n</GIAMDINHHS>";
    }

    static Document parse(byte[] bytes) throws Exception {
        DocumentBuilderFactory f = DocumentBuilderFactory.newInstance();
        f.setNamespaceAware(true);
        Document d = f.newDocumentBuilder().parse(new ByteArrayInputStream(bytes));
        ids(d.getDocumentElement());
        return d;
    }

    static void ids(Element e) {
        if (e.hasAttribute("Id")) e.setIdAttribute("Id", true);
        for (Node n = e.getFirstChild(); n != null; n = n.getNextSibling())
            if (n instanceof Element) ids((Element) n);
    }

    static PrivateKey key(String name) throws Exception {
        byte[] der = Files.readAllBytes(in.resolve(name + ".key.der"));
        return KeyFactory.getInstance("RSA").generatePrivate(new java.security.spec.PKCS8EncodedKeySpec(der));
    }

    static X509Certificate cert(String name) throws Exception {
        try (InputStream s = Files.newInputStream(in.resolve(name + ".crt"))) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(s);
        }
    }

    static Transform transform(String uri) throws Exception { return F.newTransform(uri, (TransformParameterSpec) null); }

    static Reference ref(String uri, String digest, String... transforms) throws Exception {
        List<Transform> all = new ArrayList<>();
        for (String t : transforms) all.add(transform(t));
        return F.newReference(uri, F.newDigestMethod(digest, null), all, null, null);
    }

    static Reference whole() throws Exception { return ref("", DigestMethod.SHA256, Transform.ENVELOPED); }

    /** A signature without its bytes: where the text of the file has a mark, the signature's text is put. */
    static String sign(String text, String place, String keyName, List<X509Certificate> certs, String c14n, String method,
                       boolean signingTime, Reference... refs) throws Exception {
        Document d = parse(text.getBytes(StandardCharsets.UTF_8));
        NodeList places = d.getElementsByTagName(place);
        Element parent = (Element) places.item(places.getLength() - 1);
        List<XMLObject> objects = null;
        List<Reference> all = new ArrayList<>(Arrays.asList(refs));
        if (signingTime) {
            Element time = d.createElementNS("http://example.org/sign", "SigningTime");
            time.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns", "http://example.org/sign");
            time.setTextContent("2026-10-02T08:00:00");
            SignatureProperty p = F.newSignatureProperty(List.of(new DOMStructure(time)), "#sig", null);
            XMLObject o = F.newXMLObject(List.of(F.newSignatureProperties(List.of(p), null)), "SigningTime-1", null, null);
            objects = List.of(o);
            all.add(ref("#SigningTime-1", DigestMethod.SHA256));
        }
        SignedInfo si = F.newSignedInfo(F.newCanonicalizationMethod(c14n, (C14NMethodParameterSpec) null),
            F.newSignatureMethod(method, null), all);
        KeyInfoFactory kf = F.getKeyInfoFactory();
        KeyInfo ki = certs.isEmpty() ? null : kf.newKeyInfo(List.of(kf.newX509Data(certs)));
        DOMSignContext ctx = new DOMSignContext(key(keyName), parent);
        F.newXMLSignature(si, ki, objects, signingTime ? "sig" : null, null).sign(ctx);
        // Written by hand from the tree, so that the rest of the file stays the very text it was.
        StringBuilder sb = new StringBuilder();
        Node sig = parent.getLastChild();
        write(sig, sb);
        String open = "</" + parent.getTagName() + ">";
        int at = text.lastIndexOf(open);
        return text.substring(0, at) + sb + text.substring(at);
    }

    static void write(Node n, StringBuilder sb) {
        if (n instanceof Text) { sb.append(n.getNodeValue().replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#13;")); return; }
        Element e = (Element) n;
        sb.append('<').append(e.getTagName());
        NamedNodeMap a = e.getAttributes();
        for (int i = 0; i < a.getLength(); i++)
            sb.append(' ').append(a.item(i).getNodeName()).append("=\"").append(a.item(i).getNodeValue()).append('"');
        sb.append('>');
        for (Node c = e.getFirstChild(); c != null; c = c.getNextSibling()) write(c, sb);
        sb.append("</").append(e.getTagName()).append('>');
    }

    /** Checks it with the same library before it is kept, unless that refuses what it is. */
    static void keep(String name, String text, boolean verify) throws Exception { keep(name, text.getBytes(StandardCharsets.UTF_8), verify); }

    static void keep(String name, byte[] bytes, boolean verify) throws Exception {
        if (verify) {
            Document d = parse(bytes);
            NodeList all = d.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature");
            for (int i = 0; i < all.getLength(); i++) {
                Element e = (Element) all.item(i);
                String b64 = e.getElementsByTagNameNS(XMLSignature.XMLNS, "X509Certificate").item(0).getTextContent();
                X509Certificate c = (X509Certificate) CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(Base64.getMimeDecoder().decode(b64)));
                DOMValidateContext v = new DOMValidateContext(c.getPublicKey(), e);
                if (!F.unmarshalXMLSignature(v).validate(v)) throw new IllegalStateException(name + ": does not verify");
            }
        }
        Files.write(out.resolve(name + ".xml"), bytes);
    }

    public static void main(String[] args) throws Exception {
        in = Path.of(args[0]);
        out = Path.of(args[1]);
        List<X509Certificate> hospital = List.of(cert("hospital"));
        String plain = claim("", "", "", hoso("LK1", ""));
        String declared = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + plain;

        String valid = sign(declared, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false, whole());
        keep("valid", valid, true);
        keep("valid-exclusive", sign(declared, "CHUKYDONVI", "hospital", hospital, EXC, RSA_SHA256, false,
            ref("", DigestMethod.SHA256, Transform.ENVELOPED, EXC)), true);
        keep("valid-time", sign(declared, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, true, whole()), true);
        keep("valid-chain", sign(declared, "CHUKYDONVI", "hospital", List.of(cert("root"), cert("hospital")), INC, RSA_SHA256, false,
            whole()), false);
        keep("sha1", sign(declared, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA1, false,
            ref("", DigestMethod.SHA1, Transform.ENVELOPED)), false);
        keep("sha512", sign(declared, "CHUKYDONVI", "hospital", hospital, INC,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", false, whole()), true);
        keep("short-key", sign(declared, "CHUKYDONVI", "short", List.of(cert("short")), INC, RSA_SHA256, false, whole()), false);
        keep("no-certificate", sign(declared, "CHUKYDONVI", "hospital", List.of(), INC, RSA_SHA256, false, whole()), false);
        keep("other-certificate", sign(declared, "CHUKYDONVI", "other", hospital, INC, RSA_SHA256, false, whole()), false);
        keep("expired", sign(declared, "CHUKYDONVI", "expired", List.of(cert("expired")), INC, RSA_SHA256, false, whole()), true);
        keep("expired-time", sign(declared, "CHUKYDONVI", "expired", List.of(cert("expired")), INC, RSA_SHA256, true, whole()), true);

        // Parts.
        String parts = claim("", " Id=\"unit\"", " Id=\"info\"", hoso("LK1", ""));
        keep("part-records", sign(parts, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false,
            ref("#unit", DigestMethod.SHA256), ref("#info", DigestMethod.SHA256)), true);
        keep("part-unit", sign(parts, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false,
            ref("#unit", DigestMethod.SHA256)), true);
        String two = claim("", "", "", hoso("LK1", " Id=\"first\"") + hoso("LK2", " Id=\"second\""));
        keep("part-one-of-two", sign(two, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false,
            ref("#first", DigestMethod.SHA256)), true);
        keep("two-signatures", sign(sign(two, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false,
            ref("#first", DigestMethod.SHA256)), "CHUKYDONVI", "other", List.of(cert("other")), EXC, RSA_SHA256, false,
            ref("#second", DigestMethod.SHA256, EXC)), true);

        // A check-in by itself: signed whole, in its rows, and beside them.
        String checkIn = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<CHI_TIEU_TRANG_THAI_KCB>\n<NGUOI_LAP Id=\"beside\">A</NGUOI_LAP>"
            + "<DSACH_TRANG_THAI_KCB Id=\"rows\"><TRANG_THAI_KCB><MA_LK>LK1</MA_LK><HO_TEN>Nguyễn Văn Ví Dụ</HO_TEN></TRANG_THAI_KCB>"
            + "</DSACH_TRANG_THAI_KCB>\n<CHUKYDONVI></CHUKYDONVI></CHI_TIEU_TRANG_THAI_KCB>\n";
        keep("check-in", sign(checkIn, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false, whole()), true);
        keep("check-in-rows", sign(checkIn, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false,
            ref("#rows", DigestMethod.SHA256)), true);
        keep("check-in-beside", sign(checkIn, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false,
            ref("#beside", DigestMethod.SHA256)), true);

        // All that a canonical form does: order, quotes, references, CDATA, comments, instructions, namespaces, xml: attributes.
        String hard = "\uFEFF<?xml version='1.0' encoding='UTF-8'?>\r\n<?before  the root?><!-- before -->\r\n"
            + "<GIAMDINHHS xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:b='urn:b' xmlns:a='urn:a' xml:lang='vi'"
            + " xmlns:unused=\"urn:unused\" z='1' a:y='2' b:x=\"3\"\r\n\tb='&lt;&quot;&#9;&#10;&#13;\t&apos;>&amp;ế'>\r\n"
            + "<THONGTINDONVI Id='unit' xml:space='preserve'><MACSKCB><![CDATA[79<9&9]]>9&#x20AC;&#13;&gt;]]&gt;</MACSKCB><x xmlns='urn:d'><y xmlns=''/>"
            + "<z xmlns='urn:d' xmlns:a='urn:other' a:q=''/></x></THONGTINDONVI><?within it?><!-- within\r\n -->\r\n"
            + "<THONGTINHOSO Id=\"info\"  ><NGAYLAP\r\n/><a:DANHSACHHOSO>" + hoso("LK1", "").replace("\n", "\r\n")
            + "</a:DANHSACHHOSO></THONGTINHOSO><CHUKYDONVI\n></CHUKYDONVI></GIAMDINHHS ><!-- behind --><?behind?>\r\n";
        keep("hard", sign(hard, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, true, whole(),
            ref("#unit", DigestMethod.SHA256), ref("#info", DigestMethod.SHA256, EXC), ref("#unit", DigestMethod.SHA256, EXC)), true);
        keep("hard-exclusive", sign(hard, "CHUKYDONVI", "hospital", hospital, CanonicalizationMethod.EXCLUSIVE_WITH_COMMENTS, RSA_SHA256, false,
            F.newReference("", F.newDigestMethod(DigestMethod.SHA256, null), List.of(transform(Transform.ENVELOPED),
                F.newTransform(EXC, new ExcC14NParameterSpec(List.of("unused", "xsi", "#default")))), null, null)), true);
        keep("utf-16", sign(hard, "CHUKYDONVI", "hospital", hospital, INC, RSA_SHA256, false, whole())
            .replace("UTF-8", "UTF-16").getBytes(StandardCharsets.UTF_16LE), true);
    }
}
